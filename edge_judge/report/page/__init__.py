"""The page: complete runs -> one HTML file that needs nothing else, to read offline and on a phone.

data.py      runs and their figures -> what the page shows; every number is made here, by the rooms above
ranking.py   ranked systems -> a page of their own, in which nothing runs
slices.py    a run by category and length -> the tables of it
pairs.py     benchmarks and verdicts -> the pairs to read, compact
document.py  that, the template, the style and the scripts -> one file, in which text cannot run
charts.py    runs and their figures -> the points of the charts of accuracy, against size and against speed
drawing.py   such a chart -> SVG, once for the page and for a file; axes.py, labels.py and svg.py are its tools
picture.py   the main chart as a file, for a paper or a README

colors.css chart.css page.css page.html       what it looks like; the first two also in a file
draw.js page.js pairs.js                      what a browser does: it filters, draws the rest, and computes no figure

Does not know: files of runs, the command line.
"""
