# SPDX-License-Identifier: MPL-2.0
# The scale workloads: programs of their own, on raw peers.
add_library (bench_scale STATIC scale.c scale_peer.c)
target_link_libraries (bench_scale PUBLIC sb_wire PkgConfig::ZMQ)

macro (sb_bench_scale NAME)
  add_executable (bench_${NAME} bench_${NAME}.c ${ARGN})
  target_link_libraries (bench_${NAME} PRIVATE bench_scale)
endmacro ()

sb_bench_scale (fleet fleet_agents.c fleet_check.c fleet_subscribers.c)
sb_bench_scale (stop)
sb_bench_scale (snapshot)
target_link_libraries (bench_snapshot PRIVATE sb_agent_step)
sb_bench_scale (basic basic_check.c basic_input.c basic_reader.c basic_sender.c)
