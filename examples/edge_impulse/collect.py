"""Send samples of a sensor to a project: some_sensor | python collect.py --label idle --sensors accX,accY,accZ

Reads lines of numbers between commas, one line a sample. The project's API key comes from the environment variable
EI_API_KEY, its HMAC key, which signs the recording, from EI_HMAC_KEY; without that one it goes unsigned.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from ai_runner import AiRunnerError
from ai_runner.edge_impulse.ingestion import IngestionClient, Recording, Sensor, sample_of_bytes, signed
from ai_runner.edge_impulse.secret import hmac_key


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="of the lines (default: standard input)")
    parser.add_argument("--label", required=True, help="of the sample")
    parser.add_argument("--sensors", required=True, help="names of the columns, with units: accX:m/s2,accY:m/s2")
    parser.add_argument("--frequency", type=float, default=62.5, help="samples a second, Hz (default: %(default)g)")
    parser.add_argument("--category", choices=("training", "testing", "split"), default="training")
    parser.add_argument("--device-name", help="unique in the world, such as a MAC address")
    parser.add_argument("--address", help="of another installation's ingestion service")
    args = parser.parse_args()

    lines = args.file.read_text().splitlines() if args.file else sys.stdin.read().splitlines()
    values = np.array([line.split(",") for line in lines if line.strip()], np.float64)
    sensors = [Sensor(name, units) for name, _, units in (text.partition(":") for text in args.sensors.split(","))]
    recording = Recording(values, sensors, 1000 / args.frequency, device_name=args.device_name)
    document = signed(recording.payload(), hmac_key(), iat=int(time.time()))

    sample = sample_of_bytes(f"{args.label}.json", document, category=args.category, label=args.label)
    report = IngestionClient(address=args.address).upload([sample])
    for result in report.results:
        print(f"{result.sample.name}: {len(values)} samples of {len(sensors)} sensors {result.outcome.value}")
        if result.reason:
            print(f"  {result.reason}")
    return report.exit_code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (AiRunnerError, ValueError) as error:
        sys.exit(f"{error}; {getattr(error, 'hint', '')}")
