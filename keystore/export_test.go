package keystore

import "time"

// DontPoll makes Watch of a directory store rely on what the file system tells. It
// must be called before Watch.
func DontPoll(s Store) { s.(*dir).pollEvery = time.Hour }
