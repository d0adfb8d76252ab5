package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// landlockRights are the rights of Landlock for each of ours. None includes running a program.
var landlockRights = map[rights]landlock.AccessFSSet{
	mayRead: ll.AccessFSReadFile | ll.AccessFSReadDir,
	mayWrite: ll.AccessFSReadFile | ll.AccessFSReadDir | ll.AccessFSWriteFile | ll.AccessFSTruncate |
		ll.AccessFSMakeReg | ll.AccessFSRemoveFile | ll.AccessFSMakeDir | ll.AccessFSRemoveDir,
	mayReadFile: ll.AccessFSReadFile,
	mayAppend:   ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSTruncate,
	mayUnlink:   ll.AccessFSRemoveFile,
}

// restrict restricts this process to these paths, for good and with all of its threads, and
// keeps it from gaining privileges by running a program. Of what else Landlock can restrict, it
// allows nothing: no TCP connection to others, no further TCP listener, no signal to other
// processes. It returns the version of Landlock, or ErrUnsupported if the kernel has none.
func restrict(all []access) (abi int, err error) {
	if err := ll.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, os.NewSyscallError("prctl", err)
	}
	abi, err = ll.LandlockGetABIVersion()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errors.ErrUnsupported, os.NewSyscallError("landlock_create_ruleset", err))
	}
	cfg := landlock.V8.BestEffort()
	if strings.HasPrefix(os.Getenv("NOTIFY_SOCKET"), "@") {
		cfg.Scoped &^= ll.ScopeAbstractUnixSocket
	}
	var rules []landlock.Rule
	for _, a := range all {
		rules = append(rules, landlock.PathAccess(landlockRights[a.rights], a.path).IgnoreIfMissing())
	}
	return abi, cfg.Restrict(rules...)
}
