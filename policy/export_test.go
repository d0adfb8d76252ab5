package policy

import "time"

// DontPoll makes Watch rely on what the file system tells of the policy's file. It
// must be called before Watch.
func (p *Policy) DontPoll() { p.poll = time.Hour }

// PollOnly makes Watch rely on looking. It must be called before Watch.
func (p *Policy) PollOnly() { p.deaf = true }

// SplitGroups is how groups in a value are taken apart.
var SplitGroups = splitGroups

// ErrOldList is the fault of a revocation list that is older than the newest one.
var ErrOldList = errOldList
