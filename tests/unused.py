"""Names that vulture finds unused, by who uses them. Vulture reads this file (`make lint`); nothing runs it."""
used = object()

# Tables name them as 'module:name': edge_app/schemes.py, edge_app/engine/__init__.py.
used.rtsp, used.from_file, used.rtmp, used.v4l2
used.RtspSink, used.VideoFileSink, used.CameraWindowSink, used.JsonLines
used.Fake, used.onnx_of

# Read by a name in a text: getattr() of the simulator's counts, and fields that are only written as JSON.
used.encoders, used.pushed
used.cpu_load, used.cpu_mhz
used.before_ring, used.behind_ring, used.meaning
used.healthy_p95_spread, used.frames_lost_fault_free

# Libraries call them: click, PyYAML, urllib, ONNX Runtime, TensorRT.
used.list_commands, used.get_command, used.format_commands
used.ignore_aliases
used.max_redirections, used.http_error_301, used.http_error_303, used.http_error_307, used.http_error_308
used.get_next
used.phase_start, used.parent_phase, used.step_complete, used.phase_finish
used.get_batch_size, used.get_batch

# Libraries read them: ssl, ONNX Runtime, TensorRT, numpy, pycocotools, onnx.
used.dim_param
used.verify_mode, used.enable_mem_pattern, used.execution_mode, used.log_severity_level
used.intra_op_num_threads, used.inter_op_num_threads
used.max_workspace_size, used.int8_calibrator, used.default_device_type
used.writeable
used.dataset

# The simulator as a library, edge_app/docs/simulator.md.
used.stop_camera, used.start_camera, used.pause, used.resume, used.sub_uris, used.uri_with_password

# setup.py takes it from the text of edge_app/versions.py; tests/support/reference_page.py prints the explanations.
used.requirements
used.KEYS

# Benchmarks in tests/bench draw with it.
used.stacks

# Tests only. Tasks of a child and fields of a table by name; then what pytest, http.server, ssl, configparser, xdist
# and Ultralytics read or call; a reference to oneself.
used.read_slowly, used.least_ms, used.median_ms
used.argname
used.daemon_threads, used.protocol_version, used.close_connection
used.check_hostname
used.optionxform
used.loadscopereorder
used.postprocess
used.itself
