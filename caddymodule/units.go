package caddymodule

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// least is the shortest time that a setting can mean, and its grain: what people write is a whole number of it. JSON has
// numbers for times, which are nanoseconds. One that was meant as seconds or milliseconds is shorter, or as odd as the
// 2.592ms of 2592000, the seconds of 30 days.
const least = time.Millisecond

// leastOf are settings for which more is the least. What is kept for days has no use for less, and the milliseconds of 30
// days are an odd 2.592s as well.
var leastOf = map[string]time.Duration{"retention": time.Second, "retention_dead": time.Second}

// sizes are settings in bytes of which fewer than fewBytes are of no use.
var sizes = []string{"max_body", "max_size", "memory", "unverified_memory"}

const fewBytes = 1024

// CheckUnits refuses times that have lost their unit anywhere in a part of the configuration, and warns of sizes and
// percentages that probably have: what a Caddyfile wrote out (10B, 0.95%) looks like it by now.
func CheckUnits(part any, logger *zap.Logger) error {
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
		return checkTime(time.Duration(v.Int()), path, cmp.Or(leastOf[name], least))
	case v.Kind() == reflect.Int64 && slices.Contains(sizes, name) && v.Int() > 0 && v.Int() < fewBytes:
		logger.Warn("a size of so few bytes leaves room for nothing; a number without a unit is bytes", zap.String("setting", path), zap.Int64("bytes", v.Int()))
	case v.Kind() == reflect.Float64 && name == "success_rate" && v.Float() > 0 && v.Float() <= 1:
		logger.Warn("a success_rate is in percent: write 95 for 95%", zap.String("setting", path), zap.Float64("percent", v.Float()))
	}
	return nil
}

// checkTime refuses a time that has lost its unit.
func checkTime(d time.Duration, path string, least time.Duration) error {
	switch n := int64(d); {
	case d <= 0 || d%least == 0:
		return nil
	case n < 1000:
		return fmt.Errorf("%s: %d is %d nanoseconds; write \"%ds\", \"%dm\" or \"%dd\", whichever is meant", path, n, n, n, n, n)
	case n <= int64(math.MaxInt64/time.Second):
		return fmt.Errorf("%s: %d is %v, since a number without a unit is nanoseconds; write \"%ds\" or \"%dms\", whichever is meant, or a whole number of %v", path, n, d, n, n, least)
	default:
		return fmt.Errorf("%s: %d is %v, since a number without a unit is nanoseconds; write it with its unit, such as \"%dms\", or as a whole number of %v", path, n, d, n/int64(time.Millisecond), least)
	}
}

// join makes the path of a member; an embedded struct has no name of its own.
func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}
