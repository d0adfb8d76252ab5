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

// Kept returns how many admissions are open, and how often one was checked.
func (p *Policy) Kept() (open, checks int) {
	k := &p.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.lanes[0].all) + len(k.lanes[1].all), k.checks
}

// Look makes Watch look at the files once.
func (p *Policy) Look() { (&watch{Policy: p}).look(time.Now()) }
