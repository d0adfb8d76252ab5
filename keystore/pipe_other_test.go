//go:build !unix

package keystore_test

import "errors"

func makePipe(string) error { return errors.ErrUnsupported }
