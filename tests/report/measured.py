"""Entries of evaluation.json of every kind, made up from a seed: as the measures write them, without measuring."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

CLASSES = 10
ENERGIES = {"45nm-fp32": 1.0, "45nm-int8": 0.05}


def png(pixels: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def counts(rng: np.random.Generator, steps: int, scale: float = 1.0) -> dict[str, Any]:
    layers = [
        {"layer": name, "neurons": neurons, "rate": float(by_step.mean()), "by_step": by_step.tolist()}
        for name, neurons in (("stages.0", 512), ("stages.1", 256), ("head.norm_act", 32))
        for by_step in [np.clip(rng.normal(0.15, 0.04, steps) + np.linspace(-0.08, 0.05, steps), 0, 1)]
    ]
    conventions = {
        name: {
            "acs": 2e5 * factor * scale,
            "macs": 5e3 * factor,
            "synops": 2.05e5 * factor * scale,
            "dense": 1e6 * factor,
            "energy_mj": {key: 2.1e-4 * factor * scale * value for key, value in ENERGIES.items()},
            "layers": [],
        }
        for name, factor in (("exact", 1.0), ("syops", 1.8), ("neurobench", 1.4))
    }
    return {
        "firing_rate": float(np.mean([layer["rate"] for layer in layers])),
        "spikes": 1.2e4 * scale,
        "firing_rates": layers,
        "conventions": conventions,
        "images": 360,
    }


def measured(seed: int = 0, steps: int = 4, accuracy: float = 0.9) -> list[dict[str, Any]]:
    """One entry of each kind."""
    rng = np.random.default_rng(seed)
    own: dict[str, Any] = {
        "steps": steps,
        "split": "test",
        "weights": "last",
        "data": {"name": "digits", "samples": 360},
    }
    by_step = [accuracy - 0.1 * 0.5**t for t in range(steps)]
    energy = counts(rng, steps, 1 + 0.3 * seed) | {"teacher": counts(rng, 1, 20.0)}
    edges = np.linspace(0, 1, 16)
    held = rng.integers(0, 40, 15)
    held[:3] = 0
    bins = [
        {
            "low": float(low),
            "high": float(high),
            "images": int(n),
            "confidence": float(low + high) / 2 if n else None,
            "accuracy": float(np.clip((low + high) / 2 - 0.06, 0, 1)) if n else None,
        }
        for low, high, n in zip(edges[:-1], edges[1:], held, strict=True)
    ]
    matrix = rng.integers(0, 3, (CLASSES, CLASSES)) + np.diag(rng.integers(25, 36, CLASSES))
    pixels = rng.integers(0, 255, (8, 8), dtype=np.uint8)
    points = np.concatenate([rng.normal(rng.normal(0, 20, 2), 2.5, (30, 2)) for _ in range(CLASSES)])
    features = [[float(x), float(y), place // 30] for place, (x, y) in enumerate(points)]
    spread = np.array([np.eye(CLASSES)[k] * 0.8 + rng.dirichlet(np.ones(CLASSES)) * 0.2 for k in range(CLASSES)])
    logits = np.cumsum(rng.normal(0, 0.4, (steps, CLASSES)) + 2.0 * np.eye(CLASSES)[3], axis=0)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    spikes = [
        {
            "layer": name,
            "neurons": neurons,
            "shown": 24,
            "spikes": [[t, i] for t in range(steps) for i in range(24) if rng.random() < 0.2],
        }
        for name, neurons in (("stages.0", 512), ("stages.1", 256), ("head.norm_act", 32))
    ]
    corruptions = [
        {
            "name": name,
            "group": "corruption",
            "severity": s,
            "value": 0.05 * s,
            "unit": "sd",
            "accuracy": accuracy - 0.05 * s,
        }
        for name in ("gaussian noise", "shot noise", "impulse noise", "blur", "contrast", "jpeg")
        for s in range(1, 6)
    ]
    attacks = [
        {"name": name, "epsilon": e / 255, "iterations": 1 if name == "FGSM" else 7, "accuracy": accuracy * 0.9**e}
        for name in ("FGSM", "PGD")
        for e in (1, 2, 4, 8)
    ]
    samples = [
        {"name": name, "severity": s, "picture": png(np.clip(pixels + 20 * s, 0, 255).astype(np.uint8))}
        for name in ("gaussian noise", "blur")
        for s in (1, 3, 5)
    ]
    entries: list[dict[str, Any]] = [
        {
            "what": "accuracy",
            "accuracy": accuracy,
            "accuracy_by_step": by_step,
            "accuracy_cumulative": by_step,
            "images": 360,
        },
        {"what": "energy"} | energy,
        {
            "what": "calibration",
            "images": 360,
            "accuracy": accuracy,
            "ece": 0.06,
            "brier": 0.11,
            "nll": 0.4,
            "bins": bins,
        },
        {
            "what": "confusion",
            "images": 360,
            "classes": CLASSES,
            "matrix": matrix.tolist(),
            "per_class": (matrix.diagonal() / matrix.sum(axis=1)).tolist(),
        },
        {
            "what": "agreement",
            "images": 360,
            "teacher": {"name": "ann", "accuracy": 0.98},
            "agreement": 0.93,
            "kl": 0.2,
        },
        {
            "what": "anytime",
            "by_steps": [
                {
                    "steps": t,
                    "accuracy": accuracy - 0.1 * 0.5**t,
                    "synops": 5e4 * t,
                    "energy_mj": 5e-5 * t,
                    "latency_ms": 0.4 * t,
                }
                for t in range(1, 9)
            ],
            "early_exit": [
                {
                    "threshold": c,
                    "accuracy": accuracy - 0.1 * (1 - c),
                    "steps": 1 + 3 * c**3,
                    "energy_mj": 5e-5 * (1 + 3 * c**3),
                }
                for c in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
            ],
        },
        {
            "what": "latency",
            "device": "cpu",
            "threads": 1,
            "precision": "fp32",
            "batches": [
                {
                    "batch": b,
                    "ms": 0.4 * b**0.8,
                    "ms_p10": 0.38 * b**0.8,
                    "ms_p90": 0.5 * b**0.8,
                    "images_per_second": 2500 * b**0.2,
                }
                for b in (1, 8, 64)
            ],
        },
        {
            "what": "robustness",
            "images": 360,
            "clean": accuracy,
            "corruptions": corruptions,
            "attacks": attacks,
            "samples": samples,
        },
        {
            "what": "features",
            "layer": "stages.1",
            "points": features,
            "perplexity": 30.0,
            "images": 300,
            "teacher": {"layer": "stages.1", "points": features[::-1], "perplexity": 30.0, "images": 300},
        },
        {
            "what": "sample",
            "index": 3,
            "label": 3,
            "picture": png(pixels),
            "layers": spikes,
            "probabilities": softmax.tolist(),
        },
        {
            "what": "outputs",
            "classes": CLASSES,
            "by_class": spread.tolist(),
            "teacher": {"by_class": spread[::-1].tolist()},
        },
    ]
    own["versions"] = {"spikedistill": "0.2.0", "torch": "2.13.0", "machine": "x86_64, 1 threads, AVX512"}
    return [own | entry for entry in entries]
