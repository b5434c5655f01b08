# For jobs in the guest, whose variable `tactus` names our binary: the demo cell over a veth pair, load, and hogs.
# busybox' sh takes its own tools before others of the same name, hence the full path of ip.

# What a machine builder sets on the PC, as far as one CPU has it.
prepare() {
  echo -1 >/proc/sys/kernel/sched_rt_runtime_us
  /sbin/ip link add bus0 type veth peer name bus1
  /sbin/ip link set bus0 up
  /sbin/ip link set bus1 up
}

# Bursts of what keeps a kernel busy: processes that wake each other over sockets, new processes and their page faults, walks through
# the file system.
load() {
  while :; do
    hackbench -g 1 -f 4 -l 30
    find / -xdev -type f | wc -l
    i=0
    while [ $i -lt 20 ]; do i=$((i + 1)); /bin/busybox true & wait; done
    sleep 0.7
  done >/dev/null 2>&1
}

# Bursts of TCP on the loop's own CPU: its soft interrupts and those of the frames share a lock, see docs/guide/on-target.md.
load_network() {
  while :; do hackbench -g 1 -f 4 -l 15 -i -T; sleep 0.8; done >/dev/null 2>&1
}

# hog PRIORITY, in the background: SCHED_FIFO, 5 ms of work, 5 ms of sleep, and again.
hog() { exec chrt -f "$1" sh -c 'while :; do i=0; while [ $i -lt 350 ]; do i=$((i + 1)); done; usleep 5000; done'; }

# A line for each thread of process $1: name, voluntary and involuntary switches.
threads() {
  for task in /proc/"$1"/task/*; do
    echo "$(cat "$task/comm") $(sed -n 's/^.*ctxt_switches:[[:space:]]*//p' "$task/status" | tr '\n' ' ')"
  done
}

# cell NAME FILE SECONDS [OPTION…]: `tactus sim` and `tactus run` on FILE. Leaves the report in out/NAME.json; out/NAME-before and
# out/NAME-after are the threads 4 s after the loop's thread began and 1 s before the end, SECONDS being at least 6. Its status is in
# out/NAME-status.
cell() {
  name=$1 file=$2 seconds=$3
  shift 3
  echo "$name: $seconds s of $file, Linux $(uname -rv)"
  $tactus sim "$file" --iface bus1 --json --vision-socket /tmp/vision.sock >"out/$name-sim.json" 2>"out/$name-sim.err" &
  sim=$!
  until grep -q '"ready"' "out/$name-sim.json"; do
    kill -0 $sim 2>/dev/null || { cat "out/$name-sim.err"; return 99; }
    sleep 0.1
  done
  $tactus run "$file" --link raw:bus0 --vision-socket /tmp/vision.sock --for "${seconds}s" --headless --report "out/$name.json" \
    --record /tmp/run.mcap "$@" 2>"out/$name.err" &
  run=$!
  until grep -qx tactus-loop /proc/$run/task/*/comm 2>/dev/null; do kill -0 $run 2>/dev/null || break; sleep 0.1; done
  sleep 4
  threads $run >"out/$name-before" 2>/dev/null
  left=$((seconds - 5))
  while [ $left -gt 10 ] && kill -0 $run 2>/dev/null; do echo "$name: $left s left"; sleep 10; left=$((left - 10)); done
  kill -0 $run 2>/dev/null && sleep $left
  threads $run >"out/$name-after" 2>/dev/null
  status=0
  wait $run || status=$?
  echo $status >"out/$name-status"
  kill $sim
  wait $sim
  cat "out/$name.err"
}
