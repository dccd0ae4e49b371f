#!/usr/bin/env bash
# sim-long: the simulations at length, of the session and of the stages: 200,000 schedules of each, from where the last days'
# runs did not look.
#
#   SIM_SEEDS=200000   how many
#   SIM_START=SEED     the first (default: the day, so that runs differ and can be repeated)
set -euo pipefail
cd "$(dirname "$0")/.."
start=${SIM_START:-$(date +%Y%m%d000000)}
cmake --build --preset release --target sim sim_stages
for program in sim sim_stages; do
  "build/release/bin/test/$program" --seeds "${SIM_SEEDS:-200000}" --start "$start"
done
echo "2 passed, 0 failed"
