# For jobs in the guest: which way did the longest cycle, or the latest wake-up, take? `trace_longest` or `trace_latest` before; `show_longest` at the end prints what the kernel did in it: its tracer keeps a picture of each one that is longer than all before.
# Costs about 20 µs a cycle.

tracing=/sys/kernel/tracing

trace_events() {
  echo mono >$tracing/trace_clock
  echo 4096 >$tracing/buffer_size_kb
  echo 1 >$tracing/snapshot
  for event in sched/sched_switch sched/sched_waking sched/sched_pi_setprio irq/softirq_entry irq/softirq_exit napi/napi_poll \
    net/netif_receive_skb net/net_dev_xmit raw_syscalls/sys_enter irq_vectors/local_timer_entry; do
    echo 1 >$tracing/events/$event/enable
  done
}

trace_longest() {
  trace_events
  # A cycle lasts from one return of clock_nanosleep to its next call.
  echo 'cycle u64 us' >$tracing/synthetic_events
  echo 'hist:keys=common_pid:begin=common_timestamp.usecs if comm=="tactus-loop"' \
    >$tracing/events/syscalls/sys_exit_clock_nanosleep/trigger
  echo 'hist:keys=common_pid:us=common_timestamp.usecs-$begin:onmatch(syscalls.sys_exit_clock_nanosleep).cycle($us)' \
    >$tracing/events/syscalls/sys_enter_clock_nanosleep/trigger
  echo 'hist:keys=common_pid:longest=us:onmax($longest).snapshot()' >$tracing/events/synthetic/cycle/trigger
}

trace_latest() {
  trace_events
  # From the time that the loop's timer was set to, until the loop is out of the system call.
  echo 'late u64 ns' >$tracing/synthetic_events
  echo 'hist:keys=common_pid:due=expires if comm=="tactus-loop"' >$tracing/events/timer/hrtimer_start/trigger
  echo 'hist:keys=common_pid:ns=common_timestamp-$due:onmatch(timer.hrtimer_start).late($ns)' \
    >$tracing/events/syscalls/sys_exit_clock_nanosleep/trigger
  # Below 0, so beyond 10 s: a wait for a frame, which came.
  echo 'hist:keys=common_pid:longest=ns:onmax($longest).snapshot() if ns < 10000000000' >$tracing/events/synthetic/late/trigger
}

show_longest() {
  cat $tracing/events/synthetic/*/hist 2>/dev/null | grep 'triggering value'
  tail -n "${1:-60}" $tracing/snapshot
}
