"""Where grading platforms meet the grader: each module is the program that one of them starts.

A platform's program is a supervisor that imports the standard library and the reports only: it
writes a valid report before anything can go wrong, starts the grader as its child (`grading`),
rewrites the report as results come, and has the last word if the child dies, hangs or is stopped.
"""
