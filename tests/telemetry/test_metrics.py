"""Figures of requests in Prometheus' text format."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.metrics import RequestMetrics, exposition

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import sys
from telemetry.metrics import RequestMetrics, exposition
counted = RequestMetrics()
counted.observe("GET", "/api/models", 200, 0.002)
sys.stdout.buffer.write(exposition([counted.registry]))
"""


def _text(*counted: RequestMetrics) -> str:
    return exposition([each.registry for each in counted]).decode()


def test_requests_are_counted_by_method_route_and_status():
    """Each of the three is a question an operator asks."""
    counted = RequestMetrics()
    counted.observe("GET", "/api/models", 200, 0.002)
    counted.observe("GET", "/api/models", 200, 0.002)
    counted.observe("GET", "/api/models", 404, 0.002)

    text = _text(counted)

    labels = 'method="GET",route="/api/models"'
    assert f'larder_http_requests_total{{{labels},status="200"}} 2.0' in text
    assert f'larder_http_requests_total{{{labels},status="404"}} 1.0' in text


def test_a_request_falls_into_the_bucket_of_its_time():
    """Percentiles are made of these."""
    counted = RequestMetrics()
    counted.observe("GET", "/api/models", 200, 0.002)

    text = _text(counted)

    bucket = 'larder_http_request_seconds_bucket{le="%s",route="/api/models"} %s'
    assert bucket % ("0.001", "0.0") in text
    assert bucket % ("0.0025", "1.0") in text


def test_a_made_up_method_is_another():
    """A client must not be able to make figures without number."""
    counted = RequestMetrics()
    counted.observe("BREW", "/", 405, 0.0)
    counted.observe("STEEP", "/", 405, 0.0)

    text = _text(counted)

    assert 'method="other",route="/",status="405"} 2.0' in text


def test_two_applications_count_apart():
    """Figures of one test, or of one tenant, are not in another's."""
    busy, idle = RequestMetrics(), RequestMetrics()
    busy.observe("GET", "/", 200, 0.0)

    assert 'status="200"' not in _text(idle)
    assert 'status="200"' in _text(busy, idle)


@pytest.mark.server
def test_workers_of_one_machine_are_added_up(tmp_path):
    """Whichever worker answers the scraper, it speaks for all."""
    environ = {
        "PATH": os.environ["PATH"],  # noqa: TID251 (the tests' own)
        "PYTHONPATH": str(ROOT),
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    texts = [
        subprocess.run(
            [sys.executable, "-c", WORKER], env=environ, check=True, capture_output=True, text=True
        ).stdout
        for _ in range(2)
    ]

    sums = [f'route="/api/models",status="200"}} {count}' for count in ("1.0", "2.0")]
    assert [total in text for total, text in zip(sums, texts, strict=True)] == [True, True]
