//go:build !unix

package policy_test

import "errors"

func makePipe(string) error { return errors.ErrUnsupported }
