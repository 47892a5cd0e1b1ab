"""The certificate of HTTPS and RTSPS, checked before anything is started."""
import os
import ssl
import stat
import sys


class UnusableCertificate(ValueError):
    """`setting` ('certificate' or 'key') and what is wrong with its file."""

    def __init__(self, setting, text):
        super(UnusableCertificate, self).__init__('tls.%s: %s' % (setting, text))
        self.setting, self.text = setting, text


def server_context(certificate, key=None):
    """An ssl.SSLContext for a server with TLS 1.2 or newer. `key`: None when it is in the certificate's file.

    UnusableCertificate when the files cannot be read or do not belong together.
    """
    _check_private(key or certificate, 'key' if key else 'certificate')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if sys.version_info < (3, 10):      # the default from then on
        context.options |= ssl.OP_NO_SSLv3 | ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    try:
        context.load_cert_chain(certificate, key, password=lambda: '')     # otherwise OpenSSL asks on the terminal
    except ssl.SSLError as error:
        raise UnusableCertificate('certificate', 'is not a PEM certificate with its key, or the key is encrypted (%s)'
                                  % error.reason)
    except OSError as error:
        raise UnusableCertificate('certificate', '%s cannot be read: %s' % (certificate, error.strerror))
    return context


def _check_private(path, setting):
    """Only its owner and group may read the key, as with Debian's `ssl-cert`."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise UnusableCertificate(setting, '%s cannot be read: %s' % (path, error.strerror))
    if not stat.S_ISREG(mode):
        raise UnusableCertificate(setting, '%s is not a file' % path)
    if mode & 0o007:
        raise UnusableCertificate(setting, '%s holds a private key others can read (mode %04o): chmod 640 it' % (
            path, stat.S_IMODE(mode)))
