# SPDX-License-Identifier: Apache-2.0
"""The few calls of libpq that the tests need; Debian's python3 brings no driver."""
import ctypes

PGRES_COMMAND_OK, PGRES_TUPLES_OK = 1, 2
DIAG_SQLSTATE = ord("C")
OIDS = {"t": 25, "b": 17, "i": 20, "?": 0}  # "?": whatever the place asks for

_lib = ctypes.CDLL("libpq.so.5")
for _name, _result in (("PQconnectdb", ctypes.c_void_p), ("PQexecParams", ctypes.c_void_p), ("PQexec", ctypes.c_void_p),
                       ("PQprepare", ctypes.c_void_p), ("PQdescribePrepared", ctypes.c_void_p),
                       ("PQerrorMessage", ctypes.c_char_p), ("PQgetvalue", ctypes.c_char_p),
                       ("PQresultErrorMessage", ctypes.c_char_p), ("PQresultErrorField", ctypes.c_char_p),
                       ("PQcmdTuples", ctypes.c_char_p), ("PQfname", ctypes.c_char_p)):
    getattr(_lib, _name).restype = _result


class Error(Exception):
    def __init__(self, sqlstate, message):
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate


class Connection:
    def __init__(self, conninfo):
        self.pq = ctypes.c_void_p(_lib.PQconnectdb(conninfo.encode()))
        if _lib.PQstatus(self.pq) != 0:
            raise Error("08001", _lib.PQerrorMessage(self.pq).decode())

    def close(self):
        _lib.PQfinish(self.pq)

    def _take(self, raw):
        result = ctypes.c_void_p(raw)
        try:
            if _lib.PQresultStatus(result) not in (PGRES_COMMAND_OK, PGRES_TUPLES_OK):
                state = _lib.PQresultErrorField(result, DIAG_SQLSTATE)
                raise Error((state or b"08006").decode(), (_lib.PQresultErrorMessage(result) or b"").decode())
            rows = [tuple(None if _lib.PQgetisnull(result, row, at) else _lib.PQgetvalue(result, row, at).decode()
                          for at in range(_lib.PQnfields(result))) for row in range(_lib.PQntuples(result))]
            return rows, (_lib.PQcmdTuples(result) or b"").decode()
        finally:
            _lib.PQclear(result)

    def run(self, text, types="", values=()):
        """(rows as texts, count of changed rows as text); `types` as in src/store/sql.h, or "?"."""
        if not types:
            return self._take(_lib.PQexec(self.pq, text.encode()))
        count = len(types)
        oids = (ctypes.c_uint * count)(*(OIDS[t] for t in types))
        given = (ctypes.c_char_p * count)(*(None if v is None else str(v).encode() for v in values))
        return self._take(_lib.PQexecParams(self.pq, text.encode(), count, oids, given, None, None, 0))

    def describe(self, text, types):
        """[(name, type's oid)] of the columns that the statement gives."""
        oids = (ctypes.c_uint * max(len(types), 1))(*(OIDS[t] for t in types))
        self._take(_lib.PQprepare(self.pq, b"", text.encode(), len(types), oids))
        result = ctypes.c_void_p(_lib.PQdescribePrepared(self.pq, b""))
        try:
            return [(_lib.PQfname(result, at).decode(), _lib.PQftype(result, at)) for at in range(_lib.PQnfields(result))]
        finally:
            _lib.PQclear(result)
