"""Whether workers may be missing from the index of workers, and until when.

Workers report again by themselves, so each doubt ends after a lease:

=====================================  =================================================
event                                  answers may be incomplete until
=====================================  =================================================
the index took the place of another    a lease after it was begun
the server was started                 a lease after that, if there is no index or it is
                                       older than the server
the index is missing, and ``until``    the last lease that was reported ends; it may be
says when a worker reported last       over already, and then nothing is missing
a flush: both keys are missing, and    a lease after the first reader saw it, which
the server knows the report script     writes ``until`` for all others
all leases ended without a goodbye     a lease after the last one ended
=====================================  =================================================

All times are milliseconds of the server's clock. When this process began to read does
not count, since a management command may end within a lease. :mod:`.rules` has the
decisions as pure functions. :mod:`.detector` keeps what this process remembers, and
asks the server what the rules want to know.
"""
