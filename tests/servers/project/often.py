"""Has workers sample the history once a second, if this is imported.

Settings import it before any module that takes this number.
"""

from __future__ import annotations

from django_socket_status.activity import limits

limits.SAMPLE_SECONDS = 1.0
