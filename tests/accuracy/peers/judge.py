"""What other detectors say of the streams that `pitot-accuracy export FOLDER` wrote.

usage: judge.py FOLDER [--kswin-messages N] [--only DETECTOR]

Writes a line of JSON for each detector, setting and stream: `peer_alarms` (nothing changed) and `peer_case` (something
did). First every detector as it comes; then, up a ladder of thresholds, the first that is silent on all streams without a
change, or the last.
"""

import argparse
import json
import multiprocessing
import sys
import warnings
from pathlib import Path

import pandas as pd
from river import drift

warnings.filterwarnings("ignore")

REFERENCE, WINDOW = 10_000, 2_000


def river(make):
    """A detector of river, made by `make` for a threshold: places of its alarms."""

    def alarms(values, _seconds, threshold):
        detector, places = make(threshold), []
        for place, value in enumerate(values):
            detector.update(value)
            if detector.drift_detected:
                places.append(place)
        return places

    return alarms


def daily_z(values, seconds):
    """A day's mean against the means of all days before, at least seven: its z-score at the day's last value."""
    table = pd.DataFrame({"day": pd.Series(seconds) // 86_400, "value": values})
    means = table.groupby("day")["value"].mean()
    lasts = table.groupby("day").tail(1).index
    scores = []
    for number in range(7, len(means)):
        before = means.iloc[:number]
        distance = abs(means.iloc[number] - before.mean())
        scores.append((int(lasts[number]), distance / max(before.std(), 1e-12)))
    return scores


def evidently(values, _seconds):
    """Evidently's default test of a column, window by window: its score at a window's last value."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    table = pd.DataFrame({"value": values})
    kind = "numerical_columns" if table["value"].dtype.kind in "if" else "categorical_columns"
    definition = DataDefinition(**{kind: ["value"]})
    reference = Dataset.from_pandas(table.iloc[:REFERENCE], definition)
    scores = []
    for begin in range(REFERENCE, len(table) - WINDOW + 1, WINDOW):
        window = table.iloc[begin : begin + WINDOW].reset_index(drop=True)
        result = Report([ValueDrift(column="value")]).run(Dataset.from_pandas(window, definition), reference)
        scores.append((begin + WINDOW - 1, float(result.dict()["metrics"][0]["value"])))
    return scores


adwin = river(lambda delta: drift.ADWIN(delta=delta))
page_hinkley = river(lambda threshold: drift.PageHinkley(threshold=threshold))
kswin = river(lambda alpha: drift.KSWIN(alpha=alpha, seed=1))

# Detector, its default, and thresholds that are harder to reach.
LADDERS = {
    "ADWIN": (adwin, 0.002, [1e-4, 1e-8, 1e-16, 1e-32, 1e-64, 1e-128, 1e-256]),
    "Page-Hinkley": (page_hinkley, 50.0, [10.0**n for n in range(3, 13)]),
    "daily z-score": (daily_z, 3.0, [4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 50.0]),
    "Evidently": (evidently, 0.1, [0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0]),
    "KSWIN": (kswin, 0.005, [1e-4, 1e-6, 1e-8, 1e-10, 1e-12]),
}
# Those that give a score and compare it with the threshold: worked out once.
SCORED = {"daily z-score", "Evidently"}


def work(job):
    """Of one series: places of alarms, or places and scores."""
    name, values, seconds, *threshold = job
    return LADDERS[name][0](values, seconds, *threshold)


class Judge:
    """One detector, on all series, at one threshold after the other."""

    def __init__(self, pool, name):
        self.pool, self.name, self.scores = pool, name, {}

    def alarms(self, group, series, threshold):
        """Places of alarms in each of `series`, a list of (values, seconds) that is the same for the same `group`."""
        if self.name not in SCORED:
            return self.pool.map(work, [(self.name, *one, threshold) for one in series], chunksize=1)
        if group not in self.scores:
            self.scores[group] = self.pool.map(work, [(self.name, *one) for one in series], chunksize=1)
        return [[place for place, score in scores if score > threshold] for scores in self.scores[group]]


def columns(name, file, kswin_messages):
    """Messages of a stream, and (values, seconds) of every column that the detector can watch."""
    table = pd.read_csv(file)
    names = [column for column in table.columns if column != "t_s"]
    if name != "Evidently":
        names = [column for column in names if table[column].dtype.kind in "if"]
    if name == "KSWIN":
        table, names = table.head(kswin_messages), names[:1]
    return len(table), [clean(table, column) for column in names]


def clean(table, column):
    part = table[["t_s", column]].dropna()
    values = part[column]
    if values.dtype.kind == "b":
        values = values.astype(str)
    return values.tolist(), part["t_s"].tolist()


def changes(name, folder):
    """Cases, with their values and what is affected. KSWIN has every fifth, from a thousand values before the change."""
    cases = [json.loads(text) for text in (folder / "cases.jsonl").read_text().splitlines()]
    for case in cases[::5] if name == "KSWIN" else cases:
        table = pd.read_csv(folder / case["file"]).dropna(subset=["value"]).reset_index(drop=True)
        if name == "KSWIN":
            onset = int((table["affected"] == 1).to_numpy().argmax())
            table = table.iloc[max(0, onset - 1_000) :].reset_index(drop=True)
        yield case, table


def find(table, places):
    """Whether a change was found, and after how many affected values."""
    affected = table["affected"].to_numpy()
    onset = int((affected == 1).argmax())
    after = [place for place in places if place >= onset]
    return bool(after), int(affected[onset : after[0] + 1].sum()) if after else 0


def line(**fields):
    print(json.dumps(fields), flush=True)


def climb(judge, streams, cases, setting, threshold, is_last):
    """Alarms on all streams; unless this is a step of a ladder that is not silent, what it finds, too."""
    lines = []
    for stream, (messages, series) in streams.items():
        alarms = sum(len(places) for places in judge.alarms(stream, series, threshold))
        if alarms and not is_last:
            return alarms
        lines.append({"messages": messages, "fields": len(series), "alarms": alarms})
    for fields in lines:
        line(what="peer_alarms", detector=judge.name, setting=setting, **fields)
    series = [(table["value"].tolist(), table["t_s"].tolist()) for _, table in cases]
    for (case, table), places in zip(cases, judge.alarms("cases", series, threshold)):
        found, delay = find(table, places)
        what = {"label": case["label"], "class": case["class"], "found": found, "delay": delay}
        line(what="peer_case", detector=judge.name, setting=setting, **what)
    return sum(fields["alarms"] for fields in lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--kswin-messages", type=int, default=170_000, help="of each stream, as it is slow")
    arguments.add_argument("--only", choices=LADDERS)
    arguments = arguments.parse_args()
    with multiprocessing.Pool() as pool:
        for name, (_, default, ladder) in LADDERS.items():
            if arguments.only not in (None, name):
                continue
            print(f"judge: {name}", file=sys.stderr)
            files = sorted((arguments.folder / "aa").glob("*.csv"))
            streams = {file.stem: columns(name, file, arguments.kswin_messages) for file in files}
            cases = list(changes(name, arguments.folder))
            one = Judge(pool, name)
            if climb(one, streams, cases, "default", default, is_last=True) == 0:
                continue
            for step, threshold in enumerate(ladder):
                is_last = step == len(ladder) - 1
                if climb(one, streams, cases, f"{threshold:g}", threshold, is_last) == 0:
                    break


if __name__ == "__main__":
    main()
