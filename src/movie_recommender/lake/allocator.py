"""What delta-rs has freed goes back to the system; left alone, it keeps 150 MB.

Its allocator reads the variable once, when delta-rs is loaded; a value that is there already stays.
"""

import os

os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:200,muzzy_decay_ms:0")
