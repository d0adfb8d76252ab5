//go:build unix && !linux

package follow

import (
	"os"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

func hasWriter(*os.File) (written, ok bool) { return false, false }
