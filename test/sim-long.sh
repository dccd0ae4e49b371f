#!/usr/bin/env bash
# sim-long: the simulation at length: 200,000 schedules, from where the last days' runs did not look.
#
#   SIM_SEEDS=200000   how many
#   SIM_START=SEED     the first (default: the day, so that runs differ and can be repeated)
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --build --preset release --target sim
build/release/bin/test/sim --seeds "${SIM_SEEDS:-200000}" --start "${SIM_START:-$(date +%Y%m%d000000)}"
echo "1 passed, 0 failed"
