"""A program of one's own in place of the trainer: it serves a page of the trainer contract and does nothing
else."""

from trainingrun_api import names, telemetry
from trainingrun_api.telemetry import TrainerPhase

Object = dict[str, object]

BASICS = f"""\
{telemetry.HEARTBEAT} NOW
{telemetry.PHASE}{{phase="{TrainerPhase.TRAINING}"}} 1
{telemetry.EPOCH} 1
{telemetry.EPOCHS_PLANNED} 100
{telemetry.GLOBAL_STEP} AGE
{telemetry.STEPS_PLANNED} 100000
"""
"""A training that moves. NOW is replaced by the Unix time, AGE by whole seconds since the start."""
SERVER = f"""\
import http.server, sys, time

began = time.time()

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        now = time.time()
        page = sys.argv[1].replace("NOW", str(now)).replace("AGE", str(int(now - began)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(page.encode())

http.server.HTTPServer(("", {names.METRICS_PORT}), Page).serve_forever()
"""


def serving(image: str, page: str) -> Object:
    """`spec` of a run that serves a page; `image` has Python."""
    return {
        "image": image,
        "resources": {"gpus": 0},
        "restart": {"maxFailures": 0},
        "command": ["python3", "-c", SERVER, BASICS + page],
    }
