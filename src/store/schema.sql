-- Version 1 of the store. Times are nanoseconds since 1970; names are text as events and rules have them.

-- Alerts, without what only their own page shows. `row` is the time of the first message, made unique, so that what
-- is listed newest first is read in the order in which it lies.
CREATE TABLE alert (
    row           INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,         -- ULID
    first_seen    INTEGER NOT NULL,
    last_seen     INTEGER NOT NULL,
    count         INTEGER NOT NULL,                -- messages
    severity      INTEGER NOT NULL,                -- 0 low, 1 medium, 2 high, 3 critical
    kind          TEXT    NOT NULL,
    rule          TEXT,
    summary       TEXT    NOT NULL,
    src           TEXT    NOT NULL,                -- address without port
    src_port      INTEGER NOT NULL,                -- 0 for none
    dst           TEXT    NOT NULL,
    dst_port      INTEGER NOT NULL,
    proto         TEXT    NOT NULL,
    incident      TEXT,
    state         INTEGER NOT NULL DEFAULT 0,      -- 0 new, 1 acknowledged, 2 closed
    changed       INTEGER,                         -- when a person last changed the state
    changed_by    TEXT,
    changed_count INTEGER,                         -- `count` at that time: more now means that it goes on
    suppressed_by INTEGER REFERENCES suppression (id)
);
CREATE INDEX alert_rule ON alert (rule, state, suppressed_by, last_seen);
CREATE INDEX alert_incident ON alert (incident) WHERE incident IS NOT NULL;
CREATE INDEX alert_state ON alert (state);
CREATE INDEX alert_suppressed ON alert (suppressed_by) WHERE suppressed_by IS NOT NULL;
CREATE INDEX alert_open ON alert (severity, state, incident) WHERE state < 2 AND suppressed_by IS NULL;
CREATE INDEX alert_pair ON alert (src, dst, severity) WHERE state < 2 AND suppressed_by IS NULL;

-- The whole alert, as outputs write it.
CREATE TABLE alert_json (
    row  INTEGER PRIMARY KEY REFERENCES alert (row) ON DELETE CASCADE,
    json TEXT NOT NULL
);

-- Which alerts concern an address.
CREATE TABLE alert_host (
    address TEXT    NOT NULL,
    row     INTEGER NOT NULL REFERENCES alert (row) ON DELETE CASCADE,
    PRIMARY KEY (address, row)
) WITHOUT ROWID;
CREATE INDEX alert_host_row ON alert_host (row);

-- The words of alerts, to search.
CREATE VIRTUAL TABLE alert_text USING fts5 (
    summary, rule, hosts, content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
);

-- Every step in the life of an alert.
CREATE TABLE alert_log (
    n      INTEGER PRIMARY KEY AUTOINCREMENT,
    row    INTEGER NOT NULL REFERENCES alert (row) ON DELETE CASCADE,
    at     INTEGER NOT NULL,
    who    TEXT    NOT NULL,
    before INTEGER NOT NULL,                       -- states as in `alert`
    after  INTEGER NOT NULL,
    note   TEXT
);
CREATE INDEX alert_log_row ON alert_log (row);
CREATE INDEX alert_log_at ON alert_log (at);

CREATE TABLE incident (
    id         TEXT    PRIMARY KEY NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    severity   INTEGER NOT NULL,                   -- the worst of its alerts
    alerts     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX incident_last ON incident (last_seen);

-- What people do not want to hear of for a while. A condition that is NULL matches all.
CREATE TABLE suppression (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    rule     TEXT,
    src      TEXT,
    dst      TEXT,
    kind     TEXT,
    until    INTEGER NOT NULL,
    reason   TEXT    NOT NULL,
    who      TEXT    NOT NULL,
    created  INTEGER NOT NULL,
    ended    INTEGER,                              -- taken back before its time
    ended_by TEXT,
    alerts   INTEGER NOT NULL DEFAULT 0,           -- what it has swallowed
    last     INTEGER
);

-- Who changed what. Rows are never changed nor removed.
CREATE TABLE audit (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    who     TEXT    NOT NULL,
    role    TEXT,
    what    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    before  TEXT,                                  -- JSON
    after   TEXT,                                  -- JSON
    note    TEXT
);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is not changed'); END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is not removed'); END;

-- Rules that were in force, and those that were refused.
CREATE TABLE rule_set (
    n      INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    hash   TEXT    NOT NULL,                       -- of all files
    rules  INTEGER NOT NULL
);
CREATE TABLE rule_file (
    hash  TEXT    NOT NULL,                        -- of the set
    place INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    text  TEXT    NOT NULL,
    PRIMARY KEY (hash, place)
) WITHOUT ROWID;

-- The inventory. `record` is JSON.
CREATE TABLE device (
    address    TEXT    PRIMARY KEY NOT NULL,
    first_seen INTEGER,
    last_seen  INTEGER,
    record     TEXT    NOT NULL
) WITHOUT ROWID;
CREATE INDEX device_first ON device (first_seen);
CREATE TABLE conversation (
    client     TEXT    NOT NULL,
    server     TEXT    NOT NULL,
    transport  TEXT    NOT NULL,
    proto      TEXT    NOT NULL,                   -- empty for none of ours
    port       INTEGER NOT NULL,
    placed     INTEGER NOT NULL,                   -- whether it is known who asks
    first_seen INTEGER,
    last_seen  INTEGER,
    record     TEXT    NOT NULL,
    PRIMARY KEY (client, server, transport, proto, port, placed)
) WITHOUT ROWID;
CREATE TABLE point (
    server     TEXT    NOT NULL,
    proto      TEXT    NOT NULL,
    device     INTEGER NOT NULL,                   -- -1 for none
    space      INTEGER NOT NULL,
    point      INTEGER NOT NULL,
    first_seen INTEGER,
    last_seen  INTEGER,
    record     TEXT    NOT NULL,
    PRIMARY KEY (server, proto, device, space, point)
) WITHOUT ROWID;
CREATE TABLE identity (
    server TEXT    NOT NULL,
    proto  TEXT    NOT NULL,
    device INTEGER NOT NULL,
    last_seen INTEGER,
    record TEXT    NOT NULL,
    PRIMARY KEY (server, proto, device)
) WITHOUT ROWID;

-- Who may do what on the pages.
CREATE TABLE user (
    name     TEXT    PRIMARY KEY NOT NULL,
    role     TEXT    NOT NULL CHECK (role IN ('view', 'operate', 'administer')),
    password TEXT    NOT NULL,                     -- a hash
    created  INTEGER NOT NULL,
    disabled INTEGER                               -- when
) WITHOUT ROWID;
CREATE TABLE token (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    role    TEXT    NOT NULL CHECK (role IN ('view', 'operate', 'administer')),
    hash    TEXT    NOT NULL UNIQUE,               -- SHA-256 of the token, hexadecimal
    created INTEGER NOT NULL,
    expires INTEGER
);
CREATE TABLE session (
    hash      TEXT    PRIMARY KEY NOT NULL,        -- SHA-256 of the session's secret, hexadecimal
    user      TEXT    NOT NULL REFERENCES user (name) ON DELETE CASCADE,
    created   INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    expires   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_user ON session (user);
