"""Measure how well runs of task=one_class tell anomalies from normal pictures, beside methods without a net."""

from course.anomaly.command import main
from encore.command import end

if __name__ == "__main__":
    end(main)
