//go:build !linux

package main

import "errors"

// restrict does nothing: only Linux has Landlock.
func restrict([]access) (abi int, err error) { return 0, errors.ErrUnsupported }
