"""Certificates of the tests' own, made on the spot with the openssl command."""
import os
import subprocess


def make(folder, name='served'):
    """(certificate, key): paths of PEM files, good for two days, signed by themselves."""
    certificate, key = (os.path.join(str(folder), name + ending) for ending in ('.crt', '.key'))
    subprocess.check_call(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
                           '-nodes', '-days', '2', '-subj', '/CN=edge-app', '-keyout', key, '-out', certificate],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    return certificate, key
