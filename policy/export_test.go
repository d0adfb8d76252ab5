package policy

import "time"

// DontPoll makes Watch rely on what the file system tells of the policy's file. It
// must be called before Watch.
func (p *Policy) DontPoll() { p.pollEvery = time.Hour }
