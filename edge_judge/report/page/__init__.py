"""The page: complete runs -> one HTML file that needs nothing else, to read offline and on a phone.

data.py      runs and their figures -> what the page shows; every number is made here, by the rooms above
answer.py    the sentences on top: which scheme of a judge can be trusted
pairs.py     benchmarks and verdicts -> the pairs to read, compact
document.py  that, the template, the style and the scripts -> one file, in which text cannot run
charts.py    the main chart as a picture, for a paper or a README

page.html page.css draw.js page.js pairs.js   what a browser gets: it draws and filters, and computes no figure

Does not know: files of runs, the command line.
"""
