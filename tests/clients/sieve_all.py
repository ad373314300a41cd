"""Everything that a ManageSieve server does, asked of it once, over STARTTLS.

sieve_all.py HOST PORT USER PASSWORD CAFILE
Prints each command with the answer's status. What a server refuses is printed as well: it need not do all that there is.
"""

import base64
import re
import socket
import ssl
import sys

host, port, user, password, cafile = sys.argv[1:6]
context = ssl.create_default_context(cafile=cafile)
link = socket.create_connection((host, int(port)), timeout=60)
file = link.makefile("rb")


def answer():
    """The lines up to OK, NO or BYE, literals included."""
    while True:
        line = file.readline()
        assert line, "the server hung up"
        status = line.split()[0].upper()
        while found := re.search(rb"\{(\d+)\+?\}\r\n$", line):
            file.read(int(found[1]))
            line = file.readline()
        if status in (b"OK", b"NO", b"BYE"):
            return status.decode()


def ask(command):
    link.sendall(command.encode() + b"\r\n")
    status = answer()
    print(status, command.split()[0])
    return status


def script(text):
    return "{%d+}\r\n%s" % (len(text), text)


assert answer() == "OK"
assert ask("STARTTLS") == "OK"
link = context.wrap_socket(link, server_hostname=host)
file = link.makefile("rb")
assert answer() == "OK"
ask("CAPABILITY")
login = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
assert ask(f'AUTHENTICATE "PLAIN" "{login}"') == "OK"
ask('HAVESPACE "one" 100')
ask('PUTSCRIPT "one" ' + script('require "fileinto";\r\nfileinto "Trash";\r\n'))
ask('PUTSCRIPT "bad" ' + script("what?\r\n"))
ask("LISTSCRIPTS")
ask('SETACTIVE "one"')
ask("LISTSCRIPTS")
ask('GETSCRIPT "one"')
ask('GETSCRIPT "none"')
ask('DELETESCRIPT "one"')
ask('SETACTIVE ""')
ask('RENAMESCRIPT "one" "two"')
ask("CHECKSCRIPT " + script("keep;\r\n"))
ask('NOOP "tag"')
ask('DELETESCRIPT "two"')
ask("NONSENSE")
ask("UNAUTHENTICATE")
assert ask("LOGOUT") == "OK"
