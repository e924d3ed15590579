"""Built-in tasks: problems made here, with an exact verifier, step judge and strategies. They know records and errors.

The one task is countdown. ``countdown`` holds the problem and its text, ``moves`` what a step may do, ``solve`` the
exhaustive search, ``generate`` seeded problems, ``verify`` the verdict, ``judge`` the first wrong step, ``strategy``
which solutions are the same idea.
"""
