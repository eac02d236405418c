package caddymodule

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// least is the shortest time that a setting can mean. JSON has numbers for times, which are nanoseconds: a shorter one has
// lost its unit.
const least = time.Millisecond

// sizes are settings in bytes of which fewer than fewBytes are of no use.
var sizes = []string{"max_body", "max_size", "memory", "unverified_memory"}

const fewBytes = 1024

// checkUnits refuses times that have lost their unit anywhere in a part of the configuration, and warns of sizes and
// percentages that probably have: what a Caddyfile wrote out (10B, 0.95%) looks like it by now.
func checkUnits(part any, logger *zap.Logger) error {
	return walkUnits(reflect.ValueOf(part), "", logger)
}

func walkUnits(v reflect.Value, path string, logger *zap.Logger) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return walkUnits(v.Elem(), path, logger)
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
		for _, k := range keys {
			if err := walkUnits(v.MapIndex(k), join(path, k.String()), logger); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil // JSON that a guest module reads
		}
		for i := range v.Len() {
			if err := walkUnits(v.Index(i), join(path, strconv.Itoa(i)), logger); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(v.Type()) {
			if len(f.Index) > 1 || !f.IsExported() {
				continue // what is embedded is walked with its own struct
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if err := walkUnits(v.FieldByIndex(f.Index), join(path, name), logger); err != nil {
				return err
			}
		}
	case reflect.Int64, reflect.Float64:
		return checkUnit(v, path, logger)
	}
	return nil
}

func checkUnit(v reflect.Value, path string, logger *zap.Logger) error {
	name := path[strings.LastIndexByte(path, '.')+1:]
	switch {
	case v.Type() == reflect.TypeFor[caddy.Duration]():
		if d := time.Duration(v.Int()); d > 0 && d < least {
			return fmt.Errorf("%s: %d is %d nanoseconds; write \"%ds\", \"%dm\" or \"%dd\", whichever is meant", path, d, d, d, d, d)
		}
	case v.Kind() == reflect.Int64 && slices.Contains(sizes, name) && v.Int() > 0 && v.Int() < fewBytes:
		logger.Warn("a size of so few bytes leaves room for nothing; a number without a unit is bytes", zap.String("setting", path), zap.Int64("bytes", v.Int()))
	case v.Kind() == reflect.Float64 && name == "success_rate" && v.Float() > 0 && v.Float() <= 1:
		logger.Warn("a success_rate is in percent: write 95 for 95%", zap.String("setting", path), zap.Float64("percent", v.Float()))
	}
	return nil
}

// join makes the path of a member; an embedded struct has no name of its own.
func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}
