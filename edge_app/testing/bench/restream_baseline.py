"""The re-stream a person would build by hand: rtspsrc ! decode ! x264enc ! RTSP, with the appliance's encoder settings.

A harness.children.JsonChild with the job {"uri", "user", "password", "port"}; it answers when it serves /bare.
"""
from edge_app import gst
from edge_app.testing.bench.baseline import MOSAIC, MOSAIC_FPS, MOSAIC_KBIT
from edge_app.testing.harness.children import get_job, put_answer

LAUNCH = ('( rtspsrc name=camera protocols=tcp latency=100 ! rtph264depay ! h264parse ! avdec_h264 max-threads=1 ! '
          'videoscale ! video/x-raw,width=%d,height=%d ! %s name=encoder ! rtph264pay name=pay0 config-interval=-1 )')


def serve(job):
    """Serve until the process is ended."""
    row = gst.choose_encoder()[0]
    factory = gst.GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH % (MOSAIC + (row.element,)))
    factory.set_shared(True)

    def configure(_factory, media):
        element = media.get_element()
        gst.set_if_present(element.get_by_name('camera'), location=job['uri'], user_id=job['user'],
                           user_pw=job['password'])
        gst.set_if_present(element.get_by_name('encoder'), **row.settings(MOSAIC_KBIT, MOSAIC_FPS))
    factory.connect('media-configure', configure)
    server = gst.GstRtspServer.RTSPServer()
    server.set_address('127.0.0.1')
    server.set_service(str(job['port']))
    server.get_mount_points().add_factory('/bare', factory)
    server.attach(None)
    put_answer({'ready': True})
    gst.GLib.MainLoop().run()


if __name__ == '__main__':
    serve(get_job())
