package policy

import "time"

// DontPoll makes Watch rely on notifications of the file system. Call it before Watch.
func (p *Policy) DontPoll() { p.poll = time.Hour }

// PollOnly makes Watch rely on polling. Call it before Watch.
func (p *Policy) PollOnly() { p.deaf = true }

// SplitGroups splits a list of groups.
var SplitGroups = splitGroups

// ErrOldList is the fault of a revocation list that is older than the newest one.
var ErrOldList = errOldList
