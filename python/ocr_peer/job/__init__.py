"""OCR2 job files, in the format that is published for the Chainlink node.

`load_job` reads one, `job_toml` writes one, `Job` is what a node needs of it. `docs/jobs.md` describes every
key for operators.
"""

from __future__ import annotations

from ocr_peer.job.bootstrappers import bootstrapper_multiaddrs
from ocr_peer.job.description import Job, JobType, JuelsPerFeeCoinCache
from ocr_peer.job.reading import load_job, parse_job
from ocr_peer.job.writing import job_toml

__all__ = [
    "Job",
    "JobType",
    "JuelsPerFeeCoinCache",
    "bootstrapper_multiaddrs",
    "job_toml",
    "load_job",
    "parse_job",
]
