# For jobs in the guest: which way did the longest cycle take? `trace_longest` after the loop has begun; `show_longest` at the end prints
# what the kernel did in it: its tracer keeps a picture of each cycle that is longer than all before. Costs about 20 µs a cycle.

tracing=/sys/kernel/tracing

trace_longest() {
  echo 4096 >$tracing/buffer_size_kb
  echo 1 >$tracing/snapshot
  for event in sched/sched_switch sched/sched_waking sched/sched_pi_setprio irq/softirq_entry irq/softirq_exit napi/napi_poll \
    net/netif_receive_skb net/net_dev_xmit raw_syscalls/sys_enter irq_vectors/local_timer_entry; do
    echo 1 >$tracing/events/$event/enable
  done
  # A cycle lasts from one return of clock_nanosleep to its next call.
  echo 'cycle u64 us' >$tracing/synthetic_events
  echo 'hist:keys=common_pid:begin=common_timestamp.usecs if comm=="tactus-loop"' \
    >$tracing/events/syscalls/sys_exit_clock_nanosleep/trigger
  echo 'hist:keys=common_pid:us=common_timestamp.usecs-$begin:onmatch(syscalls.sys_exit_clock_nanosleep).cycle($us)' \
    >$tracing/events/syscalls/sys_enter_clock_nanosleep/trigger
  echo 'hist:keys=common_pid:longest=us:onmax($longest).snapshot()' >$tracing/events/synthetic/cycle/trigger
}

show_longest() {
  grep 'triggering value' $tracing/events/synthetic/cycle/hist
  tail -n "${1:-60}" $tracing/snapshot
}
