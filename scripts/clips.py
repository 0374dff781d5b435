"""Labelled clips, and what records say of their frames."""

import collections
import csv


def read_segments(path):
    segments = collections.defaultdict(list)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            frames = range(int(row["from_frame"]), int(row["to_frame"]) + 1)
            segments[row["video"]].append((frames, int(row["class"])))
    return segments


def truth(segments, frame):
    return next((wanted for frames, wanted in segments if frame in frames), None)


def is_right(record, wanted):
    labels = record["labels"]
    return bool(record["met_deadline"] and labels and labels[0]["class"] == wanted)


def model_time(record):
    """Preprocessing and runs of a frame's own models; a frame that reuses an answer has none."""
    timings = record["timings_ms"]
    return (timings["preprocess"] or 0) + (timings["inference"] or 0)
