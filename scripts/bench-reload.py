#!/usr/bin/env python3
"""What reloads cost in missed deadlines.

Runs `classifyd run` on test pictures, once without reloads and once with a SIGHUP every few seconds for
each way to reload, and counts the frames that were not answered in time: in all, and from each signal
until a second after the reload was done.

  same    the file is written again as it was: all models stay in memory
  budget  the streams' budget changes to and fro
  model   the model changes to and fro: the other one is loaded, proven and warmed up beside the first

The load is what the model's runs take of the core that they have: streams x rate x time of a run. With
--load the rate is chosen so that it is that, from the medians that `classifyd models` measures.
"""

import argparse
import collections
import datetime
import json
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
AFTER = 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifyd", default=ROOT / "target/release/classifyd", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=5, help="seconds from one reload to the next")
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--load", type=float, default=0.5)
    parser.add_argument("--budget", type=int, default=100, help="milliseconds")
    parser.add_argument("--models", default="mobilenet_v1,efficientnet_lite0", help="the first one runs, unless it changes")
    parser.add_argument("--ways", default="none,same,budget,model", help="by commas")
    arguments = parser.parse_args()
    models = arguments.models.split(",")
    took = medians(arguments.classifyd)
    fps = max(1, round(arguments.load * 1000 / took[models[0]] / arguments.streams))
    load = fps * arguments.streams * took[models[0]] / 1000
    print(f"{arguments.streams} streams of {fps} frames/s, {models[0]} takes {took[models[0]]} ms: load {load:.2f}", flush=True)
    print("| reloads | done | refused | longest, s | frames | not in time | of them at a reload | by outcome |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for way in arguments.ways.split(","):
        print(row(way, run(way, models, fps, arguments)), flush=True)


def medians(classifyd):
    table = subprocess.run([classifyd, "models"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines()]
    # The median follows name, input, size and provider.
    return {row[0]: float(row[4]) for row in rows if len(row) > 4 and is_number(row[4])}


def is_number(text):
    return text.replace(".", "", 1).isdigit()


def configuration(model, budget, fps, streams):
    texts = [f'policy.kind = "fixed:{model}"\n']
    for number in range(streams):
        source = f"test://ball?width=640&height=480&fps={fps}"
        texts.append(f'[[stream]]\nname = "s{number}"\nsource = "{source}"\nbudget = "{budget}ms"\n')
    return "".join(texts)


def run(way, models, fps, arguments):
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "classifyd.toml"

        def write(turn):
            model = models[turn % 2] if way == "model" else models[0]
            budget = arguments.budget + (turn % 2 if way == "budget" else 0)
            file.write_text(configuration(model, budget, fps, arguments.streams))

        write(0)
        command = [arguments.classifyd, "run", "--config", file]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        records, words = [], []
        threads = [
            threading.Thread(target=lambda: records.extend(map(json.loads, process.stdout))),
            threading.Thread(target=lambda: words.extend((time.time(), line) for line in process.stderr)),
        ]
        for thread in threads:
            thread.start()
        # The start is no part of the measurement.
        time.sleep(5)
        start, sent = time.time(), []
        while time.time() < start + arguments.seconds:
            time.sleep(arguments.every)
            if way != "none":
                write(len(sent) + 1)
                sent.append(time.time())
                process.send_signal(signal.SIGHUP)
        time.sleep(AFTER)
        end = time.time()
        process.send_signal(signal.SIGTERM)
        process.wait()
        for thread in threads:
            thread.join()
    return figures(records, words, sent, start, end)


def figures(records, words, sent, start, end):
    done = [at for at, line in words if ": reloaded" in line]
    spans = [(at, next((d for d in done if d > at), end)) for at in sent]
    counted = [record for record in records if start <= captured(record) < end]
    missed = [record for record in counted if not record["met_deadline"]]
    near = [r for r in missed if any(a - 0.2 <= captured(r) <= b + AFTER for a, b in spans)]
    return {
        "sent": len(sent),
        "done": len(done),
        "refused": sum("is refused" in line for _, line in words),
        "longest": max((b - a for a, b in spans), default=0),
        "frames": len(counted),
        "missed": len(missed),
        "near": len(near),
        "outcomes": collections.Counter(record["outcome"] for record in missed),
        "gaps": gaps(records),
    }


def captured(record):
    return datetime.datetime.fromisoformat(record["captured_at"].replace("Z", "+00:00")).timestamp()


def gaps(records):
    """Frames that have no record, or more than one."""
    numbers = collections.defaultdict(list)
    for record in records:
        numbers[record["stream"]].append(record["frame"])
    return sum(sorted(frames) != list(range(len(frames))) for frames in numbers.values())


def row(way, found):
    assert found["gaps"] == 0, "a frame has no record, or two"
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(found["outcomes"].items())) or "-"
    return (
        f"| {way} | {found['done']} of {found['sent']} | {found['refused']} | {found['longest']:.2f} | {found['frames']} "
        f"| {found['missed']} | {found['near']} | {outcomes} |"
    )


if __name__ == "__main__":
    main()
