//go:build !unix

package follow

import "os"

const nonblock = 0

func hasWriter(*os.File) (written, ok bool) { return false, false }
