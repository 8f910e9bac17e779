"""The study: published records -> a short paper with its tables and plots.

spec.py       which published boards it is made of (docs/study.toml)
sources.py    reads them
contrasts.py  the method against each control, on the same items
verdict.py    differences -> words
tables.py     what was found, as Markdown tables
domains.py    models specialised for several domains, each scored on several suites
figures.py    plots as files of their own
paper.py      fills paper.md, the text, with all of these
"""
