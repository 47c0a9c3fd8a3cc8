"""What version 0.1 called otherwise: for the message when a recipe file of that time fails."""

MODULES = {
    "allocator": "machine.allocator",
    "checkpoint": "machine.state_files",
    "checks": "values.checks",
    "citations": "cli.cite",
    "evaluate.run": "runs.evaluate",
    "found": "values.kinds",
    "interrupts": "machine.interrupts",
    "listing": "cli.listing",
    "loop": "training.loop",
    "overrides": "cli.options",
    "precision": "machine.device",
    "progress": "machine.progress",
    "provenance": "runs.provenance",
    "recipe_files": "recipes._files",
    "run_folder": "runs.folder",
    "taps": "models.taps",
    "teacher_cache": "teachers.stored",
    "training_state": "training.state",
}
"""New place of each module, both below `spikedistill`."""

FIELDS = {
    "backward": "The backward pass is the recipe's now: Recipe(backward=...).",
    "cache": "Where a teacher's answers are stored is the recipe's now: Recipe(cache=...).",
    "views": "How many views are shown is the recipe's now: Recipe(views=...).",
    "weights_digest": "The digest of a teacher is called digest now.",
}
"""What to say where a class does not know a keyword."""

NOT_A_VALUE = "replace() should be called on dataclass instances"
"""What Python says of `replace(Augment(...), crop=2)`."""
AUGMENT = "Augment(...) gives a tuple of transformations now: call it anew, Augment(crop=2), instead of changing it."


def what_changed(error: BaseException) -> str:
    """Return what to change where an error comes from a name of version 0.1; otherwise nothing."""
    if isinstance(error, ImportError) and error.name:
        old = error.name.removeprefix("spikedistill.")
        if old in MODULES:
            return f" spikedistill.{old} is spikedistill.{MODULES[old]} since version 0.2."
    text = str(error)
    if isinstance(error, TypeError) and "unexpected keyword argument" in text:
        keyword = text.partition("'")[2].partition("'")[0]
        return f" {FIELDS[keyword]}" if keyword in FIELDS else ""
    return f" {AUGMENT}" if isinstance(error, TypeError) and NOT_A_VALUE in text else ""
