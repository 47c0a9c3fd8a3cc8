"""One page that shows runs, and the papers' figures drawn from them.

Nothing is loaded, measured or trained here: what is shown is what runs have stored. `stored` reads it, `settings` puts
the seeds of a setting together, `papers` finds the papers' numbers for them, `figures` draws, `catalogue` says which
figures the stored numbers suffice for, `page` writes.
"""

from spikedistill.errors import InputError

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise InputError("matplotlib, which draws the figures, is not there: pip install matplotlib") from error
