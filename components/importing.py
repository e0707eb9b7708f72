"""Lets one thread at a time import Azure's client libraries.

They are imported on use: a preview asks nothing and should not wait a second for them. An engine works on many
resources at once, and modules that import each other in circles, as these do, fail when two threads begin with
different ones.
"""

import threading

alone = threading.Lock()
