#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the lines of cel_bench and peer.mjs side by side."""
import json
import sys


def lines(path):
    with open(path, encoding="utf-8") as file:
        return {item["name"]: item for item in map(json.loads, file)}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    ours, peer = lines(sys.argv[2]), lines(sys.argv[3])
    print(f"{'case':52} {'ours ns':>9} {'target':>7} {'peer ns':>9} {'ratio':>6} {'compile ns':>10} {'peer':>8} "
          f"{'bytes':>6} {'heap':>4}")
    for case in cases:
        mine, other = ours[case["name"]], peer.get(case["name"])
        target = str(case.get("target_ns", ""))
        row = f"{case['title']:52} {mine['eval_ns']:9.1f} {target:>7}"
        if other:
            row += f" {other['eval_ns']:9.1f} {other['eval_ns'] / mine['eval_ns']:6.1f}"
        else:
            row += f" {'-':>9} {'-':>6}"
        row += f" {mine['compile_ns']:10.0f} {str(round(other['compile_ns'])) if other else '-':>8}"
        print(row + f" {mine['bytes']:6} {mine['heap_allocations']:4}")
    last = ours["compile_100"]
    print(f"compile {last['characters']} characters: {last['compile_ns'] / 1000:.1f} µs (target 20), "
          f"{last['bytes']} bytes (target 2048)")


if __name__ == "__main__":
    main()
