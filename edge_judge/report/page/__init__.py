"""The pages: complete runs, or ranked systems -> one HTML file that needs nothing else, to read offline and on a phone.

data.py      runs and their figures -> what the page shows; every number is made here, by the rooms above
slices.py    a run by category and length -> the tables of it
pairs.py     benchmarks and verdicts -> the pairs to read, compact
document.py  that, the template, the style and the scripts -> one file
closed.py    a template with what goes in -> a file in which text cannot run; both pages are made by it
charts.py    runs and their figures -> the points of the charts of accuracy, against size and against speed
drawing.py   such a chart -> SVG, once for the page and for a file; axes.py, labels.py and svg.py are its tools
picture.py   the main chart as a file, for a paper or a README

colors.css chart.css page.css page.html       what it looks like; the first two also in a file
draw.js reading.js page.js pairs.js           what a browser does: it filters, draws the rest, and computes no figure

The page of a ranking has the same colours and tools, and parts of its own:

ranking_data.py      rankings -> what it shows, as text
ranking_drawing.py   win rates -> SVG
ranking_pairs.py     outputs and votes -> the pairs to read, each text once
ranking_document.py  all of that -> one file

head.html is the head of both; ranking.html ranking.css ranking.js ranking_pairs.js are its own

Does not know: files of runs, the command line.
"""
