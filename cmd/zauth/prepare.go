package main

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// checkPrepared returns an error if SCRAM cannot use a user name or a password, because
// SASLprep (RFC 4013) prohibits one of its characters. The error gives the position and not
// the character, which may be part of a password.
func checkPrepared(what string, text []byte) error {
	if !utf8.Valid(text) {
		return fmt.Errorf("%s is not UTF-8, which SCRAM requires", what)
	}
	for i, r := range []rune(string(text)) {
		_, err := stringprep.SASLprep.Prepare(string(r))
		if prohibited, ok := errors.AsType[stringprep.Error](err); ok {
			kind := "a control character or other special character"
			if stringprep.TableA1.Contains(prohibited.Rune) {
				kind = "newer than Unicode 3.2, such as an emoji"
			}
			return fmt.Errorf("%s: SCRAM does not allow character %d: it is %s", what, i+1, kind)
		}
	}
	switch prepared, err := stringprep.SASLprep.Prepare(string(text)); {
	case err != nil:
		return fmt.Errorf("%s: SCRAM does not allow its mix of right-to-left and left-to-right characters", what)
	case prepared == "":
		return fmt.Errorf("%s has only characters that SCRAM ignores", what)
	}
	return nil
}
