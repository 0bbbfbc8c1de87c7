"""Commands to workers, as callers give them: from the arguments to the result."""
