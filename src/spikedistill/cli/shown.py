"""Numbers of runs as lines for people."""


def print_metrics(metrics: dict[str, object]) -> None:
    """Print the accuracies of a run, a line each."""

    def percent(value: object) -> str:
        return f"{value:.2%}" if isinstance(value, float) else str(value)

    for name, value in metrics.items():
        if not name.startswith("accuracy"):
            continue
        shown = "  ".join(map(percent, value)) if isinstance(value, list | tuple) else percent(value)
        print(f"{name.replace('_', ' '):25} {shown}")
