#!/usr/bin/env python3
"""Plays labelled clips in real time, once with each model alone and once with each policy.

    scripts/evaluate-clips.py CLIPS LABELS [--budget 33ms] [--only NAME,...] [--out FILE]

CLIPS is a directory; LABELS a CSV of `video,from_frame,to_frame,class` (frames and classes from 0,
the last frame included). Frames of no segment are played and not counted. For each way of choosing
it prints the effective accuracy (labelled frames answered right and in time, of all labelled
frames), the same averaged over the clips, the share in time, and the mean time of the models for
each captured frame.
"""

import argparse
import json
import pathlib
import subprocess
import sys

from clips import is_right, model_time, read_segments, truth

CLASSIFYD = pathlib.Path(__file__).resolve().parent.parent / "target/release/classifyd"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=pathlib.Path)
    parser.add_argument("labels", type=pathlib.Path)
    parser.add_argument("--budget", default="33ms")
    parser.add_argument("--only", default="", help="models and policies to play, by commas")
    parser.add_argument("--out", type=pathlib.Path, help="write the figures here, as JSON")
    arguments = parser.parse_args()
    segments = read_segments(arguments.labels)
    ways = arguments.only.split(",") if arguments.only else models() + ["premodel", "adaptive"]
    rows = [figures(way, arguments, segments) for way in ways]
    show(rows)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


def models():
    """The models that are installed, by their manifests."""
    directory = CLASSIFYD.parent.parent.parent / "models"
    installed = []
    for manifest in sorted(directory.glob("*.toml")):
        lines = manifest.read_text().splitlines()
        file = next((line.split('"')[1] for line in lines if line.startswith("file = ")), None)
        if file and (directory / file).exists():
            installed.append(manifest.stem)
    return installed


def figures(way, arguments, segments):
    frames = right = in_time = captured = 0
    milliseconds = 0.0
    by_clip = []
    for clip in sorted(segments):
        records = play(way, arguments.clips / clip, arguments.budget)
        counted = [(record, truth(segments[clip], record["frame"])) for record in records]
        counted = [(record, wanted) for record, wanted in counted if wanted is not None]
        hits = sum(is_right(record, wanted) for record, wanted in counted)
        by_clip.append(hits / max(len(counted), 1))
        frames += len(counted)
        right += hits
        in_time += sum(record["met_deadline"] for record, _ in counted)
        captured += len(records)
        milliseconds += sum(model_time(record) for record in records)
    return {
        "way": way,
        "labelled_frames": frames,
        "effective_accuracy": 100 * right / max(frames, 1),
        "mean_over_clips": 100 * sum(by_clip) / max(len(by_clip), 1),
        "in_time": 100 * in_time / max(frames, 1),
        "model_ms_per_frame": milliseconds / max(captured, 1),
    }


def play(way, clip, budget):
    policy = way if way in ("adaptive", "premodel", "random") else f"fixed:{way}"
    command = [CLASSIFYD, "-q", "replay", "--realtime", "--budget", budget, "--policy", policy, clip]
    played = subprocess.run(command, capture_output=True, text=True)
    if played.returncode != 0:
        sys.exit(f"{way} on {clip}: {played.stderr.strip()}")
    return [json.loads(line) for line in played.stdout.splitlines()]


def show(rows):
    print(f"{'':24} {'right and':>10} {'mean over':>10} {'in time':>8} {'models,':>9}")
    print(f"{'':24} {'in time, %':>10} {'clips, %':>10} {'%':>8} {'ms/frame':>9}")
    for row in rows:
        print(
            f"{row['way']:24} {row['effective_accuracy']:10.1f} {row['mean_over_clips']:10.1f} "
            f"{row['in_time']:8.1f} {row['model_ms_per_frame']:9.2f}"
        )


if __name__ == "__main__":
    main()
