"""Tests of the launcher. Run with ``python -m unittest`` in the directory above, by a Python that has PySpark.

``PLIMSOLL_TEST_REMOTE``  a Spark Connect server, such as ``sc://127.0.0.1:15002``; without it only those tests run that
                          bring a server of their own
``PLIMSOLL_TEST_TOKEN``   what that server wants to see, if anything
"""
